"""The platform's catalogue: plain typed Python without Ansible or a cluster."""
