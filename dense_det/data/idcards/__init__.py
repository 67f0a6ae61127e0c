"""Scenes of ID documents in photographs: invented documents, real surroundings, exact masks and corners."""
