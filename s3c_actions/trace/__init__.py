"""A digest from its source to the cluster: the model, and its text, page, diagram and document."""
