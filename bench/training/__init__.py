"""How networks of cases are trained, from nothing or by fine-tuning."""
