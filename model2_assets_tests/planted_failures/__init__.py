"""A failure planted for every check of every asset: the last good result stays.

`catalogue` says what is planted, `planting` plants it, `verdict` looks at what is left.
``python -m model2_assets_tests.planted_failures`` does so by the command, through the UI and
by the daemon.
"""
