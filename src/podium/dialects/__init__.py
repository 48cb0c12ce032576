"""The formats of each field, one room each: its documents, its wire, its routes. No room knows another."""
