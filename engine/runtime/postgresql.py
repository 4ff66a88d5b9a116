"""How the engine's lasting connections to PostgreSQL notice that the server, or its machine, is gone."""

IDLE_SECONDS, INTERVAL_SECONDS, COUNT = 10, 5, 3

CLIENT_KEEPALIVES = {
    "keepalives_idle": IDLE_SECONDS,
    "keepalives_interval": INTERVAL_SECONDS,
    "keepalives_count": COUNT,
    "tcp_user_timeout": 1000 * (IDLE_SECONDS + COUNT * INTERVAL_SECONDS),
    "connect_timeout": 10,
}
"""Parameters of a connection: https://www.postgresql.org/docs/current/libpq-connect.html. Without them, a client that only
waits does not notice for two hours that the server is gone."""
