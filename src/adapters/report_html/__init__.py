"""Reports as HTML, drawn with matplotlib in a process of their own. See ``process`` for the adapter itself."""
