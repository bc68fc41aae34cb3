"""What the tests measure and do not judge, a line for each model; printed at the end."""

TABLE: list[str] = []
