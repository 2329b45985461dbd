"""A real Tryton as the sandbox's ERP: its own environment, its own process, seeded from ``sandbox.catalog``."""
