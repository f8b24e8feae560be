"""Many images: `fleet.yaml`, the plan made of it, what the shards of a plan did, and the report on all of them."""
