"""The Dagster shell: assets, checks, partitions, jobs and schedules over the core."""
