"""Geodesic shooting: the public call, its two integrators, and what the adjoint of "ab2" needs."""
