"""Speed, memory and quality, measured against what a user would write by hand."""
