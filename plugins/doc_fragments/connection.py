"""Documentation of the options that say which cluster, shared by every plugin that talks to one."""

from __future__ import annotations


class ModuleDocFragment:
    """Names, types and environment variables are those of kubernetes.core."""

    DOCUMENTATION = r"""
options:
  kubeconfig:
    description:
      - Path of a kubeconfig file, or its content as a dict.
      - E(K8S_AUTH_KUBECONFIG), then E(KUBECONFIG), then C(~/.kube/config) where it is left out. Inside of a pod its
        service account is used when neither kubeconfig nor host is named.
    type: raw
  context:
    description:
      - Context of the kubeconfig. Its current context by default. E(K8S_AUTH_CONTEXT).
    type: str
  host:
    description:
      - URL of the API server. With O(api_key), O(client_cert) or O(username) no kubeconfig is read. E(K8S_AUTH_HOST).
    type: str
  api_key:
    description:
      - Bearer token. E(K8S_AUTH_API_KEY).
    type: str
  username:
    description:
      - User of HTTP basic authentication. E(K8S_AUTH_USERNAME).
    type: str
  password:
    description:
      - Password of O(username). E(K8S_AUTH_PASSWORD).
    type: str
  validate_certs:
    description:
      - Whether the certificate of the API server is checked. E(K8S_AUTH_VERIFY_SSL).
    type: bool
    aliases: [verify_ssl]
  ca_cert:
    description:
      - Certificate authority, a path or the PEM text. E(K8S_AUTH_SSL_CA_CERT).
    type: path
    aliases: [ssl_ca_cert]
  client_cert:
    description:
      - Path of a client certificate (PEM). E(K8S_AUTH_CERT_FILE).
    type: path
    aliases: [cert_file]
  client_key:
    description:
      - Path of the key of O(client_cert) (PEM). E(K8S_AUTH_KEY_FILE).
    type: path
    aliases: [key_file]
  proxy:
    description:
      - URL of an HTTP proxy for this connection. E(K8S_AUTH_PROXY), else C(proxy-url) of the kubeconfig, else
        E(HTTPS_PROXY).
    type: str
  no_proxy:
    description:
      - Hosts, comma separated, that are reached without the proxy. E(K8S_AUTH_NO_PROXY), else E(NO_PROXY).
    type: str
  proxy_headers:
    description:
      - Headers that the proxy wants.
    type: dict
    suboptions:
      proxy_basic_auth:
        description:
          - C(user:password) for the proxy. E(K8S_AUTH_PROXY_HEADERS_PROXY_BASIC_AUTH).
        type: str
      basic_auth:
        description:
          - C(user:password) for basic authentication. E(K8S_AUTH_PROXY_HEADERS_BASIC_AUTH).
        type: str
      user_agent:
        description:
          - User agent that the proxy is told. E(K8S_AUTH_PROXY_HEADERS_USER_AGENT).
        type: str
  impersonate_user:
    description:
      - User to act as. E(K8S_AUTH_IMPERSONATE_USER).
    type: str
  impersonate_groups:
    description:
      - Groups to act as, with O(impersonate_user). E(K8S_AUTH_IMPERSONATE_GROUPS), comma separated.
    type: list
    elements: str
"""
