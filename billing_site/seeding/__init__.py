"""The demo's tenants: invented companies whose past is real, made by the domain's own functions."""
