"""Containers that are a whole machine: their images, made of Debian's packages, and the rights that they get."""
