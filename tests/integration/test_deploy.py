"""What is in deploy/ fits the code: manifests are valid, and say the ports, paths, names and codes that it has."""

import re
import shutil
import subprocess
import sys
from configparser import RawConfigParser
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import typer
import yaml

from tests.support import doc_tables
from weighbridge.entrypoints import exit_codes
from weighbridge.entrypoints.cli.main import app
from weighbridge.entrypoints.settings import PREFIX, Settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
OVERLAYS = ("staging", "production")
#: The oldest release of Kubernetes that has all that the manifests use, and the newest that can be checked.
RELEASES = ("1.34.0", kubernetes_validate.latest_version())


def tool(name: str) -> str:
    """A command of the development tools."""
    found = Path(sys.executable).with_name(name)
    where = str(found) if found.exists() else shutil.which(name)
    if where is None:
        pytest.skip(f"{name} has no build for this platform")
    return where


@cache
def objects(overlay: str) -> list[dict[str, Any]]:
    """What kubectl makes of an overlay."""
    command = [tool("kubectl"), "kustomize", str(DEPLOY / "kubernetes/overlays" / overlay)]
    built = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (built.returncode, built.stderr) == (0, "")
    return list(yaml.safe_load_all(built.stdout))


def one(overlay: str, kind: str) -> dict[str, Any]:
    (found,) = [thing for thing in objects(overlay) if thing["kind"] == kind]
    return found


def pods(overlay: str) -> dict[str, dict[str, Any]]:
    """The pod of the trainer and that of the service."""
    return {
        "train": one(overlay, "CronJob")["spec"]["jobTemplate"]["spec"]["template"]["spec"],
        "serve": one(overlay, "Deployment")["spec"]["template"]["spec"],
    }


@cache
def command_line() -> Any:
    return typer.main.get_command(app)


def variables() -> set[str]:
    """Every variable of ours that the code reads."""
    options = {
        option.envvar
        for name in ("train", "serve")
        for option in command_line().commands[name].params
        if option.envvar
    }
    settings = {
        f"{PREFIX}{name.upper()}" for name, field in Settings.model_fields.items() if not field.validation_alias
    }
    return {str(name) for name in options | settings}


def assert_is_a_command(words: list[str]) -> None:
    """Typer can parse it; nothing is run."""
    name, *arguments = words
    command_line().commands[name].make_context(name, list(arguments), resilient_parsing=False)


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_object_is_valid(overlay: str, release: str) -> None:
    kinds = []
    for thing in objects(overlay):
        kinds.append(thing["kind"])
        if not thing["apiVersion"].startswith("monitoring.coreos.com/"):
            kubernetes_validate.validate(thing, release, strict=True)
    monitored = ["PrometheusRule", "ServiceMonitor"] if overlay == "production" else []
    assert sorted(kinds) == sorted(
        [
            *("ConfigMap", "CronJob", "Deployment", "HorizontalPodAutoscaler", "Ingress", "NetworkPolicy"),
            *("NetworkPolicy", "PodDisruptionBudget", "Service", "ServiceAccount", "ServiceAccount"),
            *monitored,
        ]
    )


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_commands_and_variables_are_those_of_the_code(overlay: str) -> None:
    for name, pod in pods(overlay).items():
        (container,) = pod["containers"]
        assert container["args"][0] == name
        assert_is_a_command(container["args"])
        given = {entry["name"] for entry in container.get("env", ())}
        assert given <= variables()
    settings = one(overlay, "ConfigMap")["data"]
    assert {name for name in settings if name.startswith(PREFIX)} <= variables()
    assert {name for name in settings if not name.startswith(PREFIX)} == {"AWS_DEFAULT_REGION"}
    serve = {entry["name"]: entry for entry in pods(overlay)["serve"]["containers"][0]["env"]}
    keys = serve["WEIGHBRIDGE_API_KEYS"]["valueFrom"]["secretKeyRef"]
    assert keys == {"name": "weighbridge-api-keys", "key": "keys", "optional": overlay == "staging"}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_service_of_our_name_sets_no_variable_of_ours(overlay: str) -> None:
    assert [pod["enableServiceLinks"] for pod in pods(overlay).values()] == [False, False]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_ports_and_probes_are_those_of_the_service(overlay: str) -> None:
    (container,) = pods(overlay)["serve"]["containers"]
    (port,) = container["ports"]
    env = {entry["name"]: entry.get("value") for entry in container["env"]}
    assert env["WEIGHBRIDGE_PORT"] == str(port["containerPort"])
    probes = {name: container[f"{name}Probe"]["httpGet"] for name in ("startup", "readiness", "liveness")}
    assert {name: probe["path"] for name, probe in probes.items()} == {
        "startup": "/livez",
        "readiness": "/readyz",
        "liveness": "/livez",
    }
    assert {probe["port"] for probe in probes.values()} == {port["name"]}
    (exposed,) = one(overlay, "Service")["spec"]["ports"]
    assert exposed["targetPort"] == port["name"]
    labels = one(overlay, "Deployment")["spec"]["template"]["metadata"]["labels"]
    assert one(overlay, "Service")["spec"]["selector"].items() <= labels.items()
    (policy,) = [
        thing
        for thing in objects(overlay)
        if thing["kind"] == "NetworkPolicy" and thing["metadata"]["name"] == "weighbridge-serve"
    ]
    assert policy["spec"]["ingress"][0]["ports"][0]["port"] == port["name"]


def phases_of_a_stop() -> dict[str, float]:
    """The longest that each phase takes, as documented."""
    _, _, rest = (ROOT / "docs/deploying.md").read_text().partition("## How a service stops")
    rows = re.findall(r"^\| ([^|]+) \| (\d+) \|", rest.partition("\n## ")[0], re.MULTILINE)
    return {phase: float(seconds) for phase, seconds in rows}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_pod_has_the_time_to_stop_that_it_needs(overlay: str) -> None:
    pod = pods(overlay)["serve"]
    (container,) = pod["containers"]
    env = {entry["name"]: entry.get("value") for entry in container["env"]}
    leaving, draining, finishing, *_ = phases_of_a_stop().values()
    assert leaving == container["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert draining == float(env["WEIGHBRIDGE_DRAIN_SECONDS"]) == Settings.model_fields["drain_seconds"].default
    assert (
        finishing
        == float(env["WEIGHBRIDGE_SHUTDOWN_SECONDS"])
        == Settings.model_fields["shutdown_seconds"].default
    )
    assert sum(phases_of_a_stop().values()) < pod["terminationGracePeriodSeconds"]


def test_compose_and_systemd_give_the_time_to_stop_too() -> None:
    _, *phases = phases_of_a_stop().values()
    serve = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["serve"]
    assert float(serve["stop_grace_period"].removesuffix("s")) > sum(phases)
    assert float(unit_of("serve")["Service"]["TimeoutStopSec"]) > sum(phases)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_what_cannot_succeed_is_not_tried_again_and_what_may_is(overlay: str) -> None:
    cron = one(overlay, "CronJob")["spec"]
    job = cron["jobTemplate"]["spec"]
    assert cron["concurrencyPolicy"] == "Forbid"
    assert job["activeDeadlineSeconds"] > 0
    rules = {rule["action"]: rule for rule in job["podFailurePolicy"]["rules"]}
    assert rules["FailJob"]["onExitCodes"]["values"] == [
        exit_codes.USAGE,
        exit_codes.REFUSED,
        exit_codes.BAD_DATA,
    ]
    assert rules["Count"]["onExitCodes"]["values"] == [exit_codes.TRY_AGAIN]
    assert job["backoffLimit"] > 0
    assert {rule["onExitCodes"]["containerName"] for rule in rules.values() if "onExitCodes" in rule} == {"train"}
    assert job["template"]["spec"]["restartPolicy"] == "Never"


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_pods_run_with_as_little_as_they_need(overlay: str) -> None:
    for pod in pods(overlay).values():
        (container,) = pod["containers"]
        assert pod["securityContext"]["runAsNonRoot"]
        assert not pod["automountServiceAccountToken"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        }
        assert [mount["mountPath"] for mount in container["volumeMounts"]] == ["/tmp"]
        assert container["resources"].keys() == {"requests", "limits"}
    deployment = one(overlay, "Deployment")["spec"]
    assert deployment["replicas"] == 2
    assert deployment["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}


def alerts() -> list[dict[str, Any]]:
    """The alert rules of production."""
    (group,) = one("production", "PrometheusRule")["spec"]["groups"]
    return list(group["rules"])


def test_alerts_ask_for_metrics_and_labels_that_there_are() -> None:
    labels = {family.name: set(family._labelnames) for family in doc_tables.metric_families()}
    for rule in alerts():
        for name, matched in re.findall(r"(weighbridge_\w+?)(?:_total|_bucket)?\b(\{[^}]*\})?", rule["expr"]):
            assert name in labels, rule["alert"]
            # Prometheus itself says of which instance, and of which bucket.
            asked = set(re.findall(r"(\w+)(?:=|!)", matched))
            assert asked <= labels[name], rule["alert"]
    runbook = (ROOT / "docs/operations.md").read_text()
    headings = {re.sub(r"[^a-z0-9 -]", "", line[3:].lower()).replace(" ", "-") for line in runbook.splitlines()}
    for rule in alerts():
        page, _, section = rule["annotations"]["runbook"].partition("#")
        assert (page, section in headings) == ("docs/operations.md", True), section


def test_the_dockerfile_has_no_fault_that_a_linter_knows() -> None:
    command = [tool("hadolint"), "--no-color", str(DEPLOY / "Dockerfile")]
    found = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (found.returncode, found.stdout) == (0, "")


def test_the_dockerfile_copies_what_is_sent_to_the_builder() -> None:
    text = (DEPLOY / "Dockerfile").read_text()
    sent = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    copied = {
        name
        for line in text.splitlines()
        if line.startswith("COPY ") and "--from" not in line
        for name in line.split()[1:-1]
    }
    assert copied == {
        name for name in copied if (ROOT / name).exists() and any(Path(name).match(one) for one in sent)
    }
    assert set(re.findall(r"(WEIGHBRIDGE_\w+)=", text)) <= variables()
    commands = [yaml.safe_load(line.removeprefix("CMD ")) for line in text.splitlines() if line.startswith("CMD ")]
    for words in commands:
        assert_is_a_command(words)
    assert "USER 65532:65532" in text
    # A container without a model is not ready, and to start it again brings none.
    (healthcheck,) = re.findall(r"^HEALTHCHECK (?:.*\\\n)*.*$", text, re.MULTILINE)
    assert "/livez" in healthcheck
    assert "WEIGHBRIDGE_HOST=::" in text


def test_the_compose_file_runs_commands_that_there_are() -> None:
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    for name in ("train", "serve"):
        assert_is_a_command(services[name]["command"])
        assert services[name]["build"]["target"] == name
        assert services[name]["read_only"]
        assert {entry for entry in services[name]["environment"] if entry.startswith(PREFIX)} <= variables()
    assert f"FROM run AS {services['serve']['build']['target']}" in (DEPLOY / "Dockerfile").read_text()
    assert services["serve"]["ports"] == ["127.0.0.1:8000:8000"]


def unit_of(name: str) -> RawConfigParser:
    """A unit of systemd; of an option that stands there twice, the last."""
    unit = RawConfigParser(strict=False, comment_prefixes="#")
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read(DEPLOY / f"systemd/weighbridge-{name}.service")
    return unit


@pytest.mark.parametrize("name", ["train", "serve"])
def test_the_units_run_commands_that_there_are(name: str) -> None:
    unit = unit_of(name)
    program, *words = unit["Service"]["ExecStart"].split()
    assert program.endswith("/.venv/bin/weighbridge")
    assert words[0] == name
    assert_is_a_command(words)
    codes = {"train": ("RestartForceExitStatus", exit_codes.TRY_AGAIN), "serve": ("RestartPreventExitStatus", 2)}
    option, code = codes[name]
    assert unit["Service"][option] == str(code)
    example = (DEPLOY / "systemd/environment.example").read_text()
    assert set(re.findall(r"(WEIGHBRIDGE_\w+)=", example)) <= variables()


def test_systemd_has_no_objection() -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("there is no systemd here to ask")
    units = sorted(str(path) for path in (DEPLOY / "systemd").glob("weighbridge-*.*"))
    asked = subprocess.run([analyze, "verify", *units], capture_output=True, text=True, timeout=60, check=False)
    # The command is not installed there; nor may manual pages be.
    objections = [line for line in asked.stderr.splitlines() if "is not executable" not in line]
    assert objections == []


@pytest.mark.parametrize("name", ["train", "serve"])
def test_systemd_finds_little_that_a_unit_is_exposed_to(name: str) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("there is no systemd here to ask")
    command = [analyze, "security", "--offline=yes", "--threshold=30", f"systemd/weighbridge-{name}.service"]
    asked = subprocess.run(command, cwd=DEPLOY, capture_output=True, text=True, timeout=60, check=False)
    assert asked.returncode == 0, asked.stdout + asked.stderr
