"""Leak-free base models of an equity-return forecaster, as a Dagster asset graph."""
