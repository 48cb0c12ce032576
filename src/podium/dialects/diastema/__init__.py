"""Analyses of data by services that do what they are told, as the DIASTEMA platform speaks them.

playbook ──reading──▶ Submission ──flow machine──▶ attempts ──kinds──▶ services, artifacts, records, front end
"""
