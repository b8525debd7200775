"""What things are: frozen values and enums, standard library only."""
