"""The ``model2`` command."""
