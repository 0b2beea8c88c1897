"""What came of a study: which trial to take, how good it is, and why.

Functions of records alone: no data, no model and no code of the user's is needed, as
the store keeps what the rows were and what every fold predicted.
"""
