"""A whole supply chain on one machine; imports s3c_actions, never the other way."""
