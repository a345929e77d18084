"""The heavy and the light rules with one numpy array per field, where all agents share the cycle's sample.

Imported only where ``workload.engine=numpy`` asks for it: numpy is larger than the whole measured process.
"""
