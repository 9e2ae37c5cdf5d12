"""The places of the world, and the nearest one to a point. Standard library only, except for the two builders."""
