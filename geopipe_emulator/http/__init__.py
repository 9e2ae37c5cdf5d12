"""The HTTP server: sockets, connections, requests and responses. Knows no AWS."""
