"""What the command line does, over HTTP: one module a resource.

Routes hold no rules of their own: each names the right it needs, calls the same function as its command, and says
what it answers. `GET /api/v1/me` and the audit are in `security.routes`, reports and enrolment in `ingest`.
"""
