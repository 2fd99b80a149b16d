"""The filter language: one expression, a predicate on flows and a condition for SQL."""
