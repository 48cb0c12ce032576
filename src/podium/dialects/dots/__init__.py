"""Step-locked energy simulations over MQTT, as the DOTS field speaks them: both its orchestrators.

body, ESDL ──reading──▶ Submission ──machine──▶ commands ──performer, wire──▶ bus
                                      ▲────────── inputs ◀──────hearing──────────┘
"""
