"""What a skops file may have Weighbridge build: a list of our own, by what a type can do when it predicts.

skops asks whether types are trusted. That is not enough: scikit-learn's own ``CountVectorizer`` opens the files
that its input names. So each entry here was read for what it does with its state, and has the reason beside it.
Left out is whatever opens files, imports, keeps a cache on disk, or calls what it is told to: text vectorizers,
searches, selectors by a score function, anything that takes a callable. A type that is missing was not read.
"""

from __future__ import annotations

from typing import NamedTuple


class Group(NamedTuple):
    """Types that may be built for one reason; ``types`` are names below ``module``."""

    reason: str
    module: str
    types: str


GROUPS = (
    Group(
        "Passes columns on to its steps. Its cache (memory) has to be empty: it would unpickle files.",
        "sklearn",
        "pipeline.Pipeline pipeline.FeatureUnion compose._column_transformer.ColumnTransformer",
    ),
    Group(
        "Calls functions: only those of FUNCTIONS, each of which makes a number of a number.",
        "sklearn",
        "preprocessing._function_transformer.FunctionTransformer compose._target.TransformedTargetRegressor",
    ),
    Group(
        "Arithmetic, or a search in sorted arrays, in NumPy, which checks every index.",
        "sklearn.preprocessing",
        """
        _data.Binarizer _data.MaxAbsScaler _data.MinMaxScaler _data.Normalizer _data.PowerTransformer
        _data.QuantileTransformer _data.RobustScaler _data.StandardScaler _discretization.KBinsDiscretizer
        _encoders.OneHotEncoder _encoders.OrdinalEncoder _label.LabelBinarizer _label.LabelEncoder
        _polynomial.PolynomialFeatures _target_encoder.TargetEncoder
        """,
    ),
    Group(
        "Replaces or drops columns, or multiplies them by a matrix, in NumPy.",
        "sklearn",
        """
        decomposition._pca.PCA decomposition._truncated_svd.TruncatedSVD impute._base.MissingIndicator
        impute._base.SimpleImputer feature_selection._variance_threshold.VarianceThreshold
        """,
    ),
    Group(
        "A product of columns and coefficients, in NumPy, and a link function of scikit-learn's own.",
        "sklearn",
        """
        linear_model._base.LinearRegression linear_model._bayes.ARDRegression linear_model._bayes.BayesianRidge
        linear_model._coordinate_descent.ElasticNet linear_model._coordinate_descent.ElasticNetCV
        linear_model._coordinate_descent.Lasso linear_model._coordinate_descent.LassoCV
        linear_model._glm.glm.GammaRegressor linear_model._glm.glm.PoissonRegressor
        linear_model._glm.glm.TweedieRegressor linear_model._huber.HuberRegressor linear_model._least_angle.Lars
        linear_model._least_angle.LassoLars linear_model._logistic.LogisticRegression
        linear_model._logistic.LogisticRegressionCV linear_model._quantile.QuantileRegressor
        linear_model._ridge.Ridge linear_model._ridge.RidgeCV linear_model._ridge.RidgeClassifier
        linear_model._stochastic_gradient.SGDRegressor cross_decomposition._pls.PLSRegression
        linear_model._theil_sen.TheilSenRegressor svm._classes.LinearSVR svm._classes.LinearSVC
        discriminant_analysis.LinearDiscriminantAnalysis discriminant_analysis.QuadraticDiscriminantAnalysis
        dummy.DummyClassifier dummy.DummyRegressor isotonic.IsotonicRegression naive_bayes.BernoulliNB
        naive_bayes.GaussianNB naive_bayes.MultinomialNB
        """,
    ),
    Group(
        "Products of matrices in NumPy; its optimizer is of no use after training.",
        "sklearn.neural_network",
        """
        _multilayer_perceptron.MLPClassifier _multilayer_perceptron.MLPRegressor
        _stochastic_optimizers.AdamOptimizer _stochastic_optimizers.SGDOptimizer
        """,
    ),
    Group(
        "Arithmetic of distances in NumPy and SciPy, by kernels that are data.",
        "sklearn.gaussian_process",
        """
        _gpr.GaussianProcessRegressor kernels.CompoundKernel kernels.ConstantKernel kernels.DotProduct
        kernels.ExpSineSquared kernels.Exponentiation kernels.Matern kernels.Product kernels.RBF
        kernels.RationalQuadratic kernels.Sum kernels.WhiteKernel
        """,
    ),
    Group(
        "Compiled code over raw nodes, which it does not check: ``native_state`` does.",
        "sklearn",
        """
        tree._classes.DecisionTreeClassifier tree._classes.DecisionTreeRegressor tree._classes.ExtraTreeClassifier
        tree._classes.ExtraTreeRegressor tree._tree.Tree ensemble._forest.ExtraTreesClassifier
        ensemble._forest.ExtraTreesRegressor ensemble._forest.RandomForestClassifier
        ensemble._forest.RandomForestRegressor ensemble._gb.GradientBoostingClassifier
        ensemble._gb.GradientBoostingRegressor
        ensemble._hist_gradient_boosting.gradient_boosting.HistGradientBoostingClassifier
        ensemble._hist_gradient_boosting.gradient_boosting.HistGradientBoostingRegressor
        ensemble._hist_gradient_boosting.predictor.TreePredictor
        ensemble._hist_gradient_boosting.binning._BinMapper
        """,
    ),
    Group(
        "Compiled code over support vectors: ``native_state`` checks the arrays against each other.",
        "sklearn.svm._classes",
        "NuSVC NuSVR SVC SVR",
    ),
    Group(
        "Compiled code over the training rows and an index of them: ``native_state`` checks the index.",
        "sklearn",
        """
        neighbors._classification.KNeighborsClassifier neighbors._regression.KNeighborsRegressor
        neighbors._ball_tree.BallTree neighbors._kd_tree.KDTree metrics._dist_metrics.EuclideanDistance64
        """,
    ),
    Group(
        "Asks the estimators in it, which are checked like any other, and averages.",
        "sklearn",
        """
        calibration.CalibratedClassifierCV calibration._CalibratedClassifier calibration._SigmoidCalibration
        ensemble._bagging.BaggingClassifier ensemble._bagging.BaggingRegressor
        ensemble._stacking.StackingClassifier ensemble._stacking.StackingRegressor
        ensemble._voting.VotingClassifier ensemble._voting.VotingRegressor
        ensemble._weight_boosting.AdaBoostClassifier ensemble._weight_boosting.AdaBoostRegressor
        multiclass.OneVsRestClassifier
        """,
    ),
    Group(
        "Formulas without state of their own, as boosting and generalised linear models name them.",
        "sklearn._loss",
        """
        link.HalfLogitLink link.IdentityLink link.Interval link.LogLink link.LogitLink link.MultinomialLogit
        loss.AbsoluteError loss.ExponentialLoss loss.HalfBinomialLoss loss.HalfGammaLoss loss.HalfMultinomialLoss
        loss.HalfPoissonLoss loss.HalfSquaredError loss.HalfTweedieLoss loss.HalfTweedieLossIdentity
        loss.HuberLoss loss.PinballLoss
        _loss.CyAbsoluteError _loss.CyExponentialLoss _loss.CyHalfBinomialLoss _loss.CyHalfGammaLoss
        _loss.CyHalfMultinomialLoss _loss.CyHalfPoissonLoss _loss.CyHalfSquaredError _loss.CyHalfTweedieLoss
        _loss.CyHalfTweedieLossIdentity _loss.CyHuberLoss _loss.CyPinballLoss
        """,
    ),
    Group(
        "Its booster is the text of its model, whose trees ``native_state`` checks.",
        "lightgbm",
        "basic.Booster sklearn.LGBMClassifier sklearn.LGBMRegressor",
    ),
)

#: Every type that may be built as an object.
OBJECTS = frozenset(f"{group.module}.{name}" for group in GROUPS for name in group.types.split())

#: Containers, by skops's loader.
CONTAINERS = {
    "DictNode": {"builtins.dict", "collections.OrderedDict", "sklearn.utils._bunch.Bunch"},
    "DefaultDictNode": {"collections.defaultdict"},
    "ListNode": {"builtins.list"},
    "TupleNode": {"builtins.tuple"},
    "SetNode": {"builtins.set"},
    "SliceNode": {"builtins.slice"},
    "BytesNode": {"builtins.bytes"},
    "JsonNode": {"builtins.str"},
    "RandomStateNode": {"numpy.random.mtrand.RandomState"},
    "RandomGeneratorNode": {"numpy.random._generator.Generator"},
}

_SCALARS = """
    bool bool_ float16 float32 float64 int8 int16 int32 int64 str_ uint8 uint16 uint32 uint64
"""
_UFUNCS = """
    abs absolute arcsinh arctan cbrt ceil cos deg2rad exp exp2 expm1 fabs floor log log10 log1p log2 negative
    rad2deg reciprocal rint sign sin sinh sqrt square tanh trunc
"""


def _below(module: str, names: str) -> frozenset[str]:
    return frozenset(f"{module}.{name}" for name in names.split())


#: What an array's class may be.
ARRAYS = _below("numpy", f"ndarray {_SCALARS}")
#: What stands as a type: keys of dictionaries, and the type of an encoder's columns.
TYPES = _below("builtins", "bool float int str") | _below("numpy", _SCALARS) | {"collections.OrderedDict"}
#: Sparse arrays, whose indices are checked.
SPARSE = _below("scipy.sparse", "_csr.csr_matrix _csr.csr_array _csc.csc_matrix _csc.csc_array")

#: Functions of one number, by the attributes that may name them.
FUNCTION_ATTRIBUTES = frozenset({"func", "inverse_func", "func_"})
FUNCTIONS = _below("numpy", _UFUNCS) | _below("numpy._core._multiarray_umath", _UFUNCS)

#: What skops has to be told to trust beside what it does by itself.
TRUSTED_TYPES = tuple(
    sorted(OBJECTS | {"collections.OrderedDict", "collections.defaultdict", "sklearn.utils._bunch.Bunch"})
)
