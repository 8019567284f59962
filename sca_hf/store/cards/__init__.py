"""Cards of datasets and models, and the picture of a funnel."""
