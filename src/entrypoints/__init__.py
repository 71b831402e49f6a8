"""The edges: environment, command line, HTTP, and the container that wires adapters to the domain."""
