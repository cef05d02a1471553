"""Transport of neutrinos through the relics, from rates and lines to the spectrum at Earth."""
