"""The oversell race: buyers, storefronts, an ERP and our own code between them, in a time of its own."""
