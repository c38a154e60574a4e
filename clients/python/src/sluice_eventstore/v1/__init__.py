"""The messages of the contract, as protoc makes them. `python generate.py` renews them."""
