"""Checks deploy/kubernetes: every object against Kubernetes' own schemas, what refers to what, and the configuration.

    python check.py PATH/TO/driftline
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import kubernetes_validate
import yaml

FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "kubernetes"
VERSIONS = ["1.29", "1.33", "1.37"]
# A custom resource: its schema comes with the Prometheus Operator, not with Kubernetes.
CUSTOM = {"ServiceMonitor"}


def expect(truth, what):
    if not truth:
        raise SystemExit(f"deploy/kubernetes: {what}")


def objects():
    """Kind to object of every file; the kustomization apart."""
    found = {}
    for path in sorted(FOLDER.glob("*.yaml")):
        for one in yaml.safe_load_all(path.read_text()):
            if path.name == "kustomization.yaml":
                continue
            expect(one["kind"] not in found, f"two objects of kind {one['kind']}")
            expect("namespace" not in one["metadata"], f"{path.name} names a namespace; an overlay does that")
            found[one["kind"]] = one
    return found


def check_schemas(found):
    for kind, one in found.items():
        for version in [] if kind in CUSTOM else VERSIONS:
            try:
                kubernetes_validate.validate(one, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                place = ".".join(str(part) for part in error.path)
                raise SystemExit(f"deploy/kubernetes: {kind} is not valid in {version}: {place}: {error.message}")


def check_references(found):
    pod = found["StatefulSet"]["spec"]["template"]
    container = pod["spec"]["containers"][0]
    labels = pod["metadata"]["labels"].items()
    for what, selector in {
        "the StatefulSet": found["StatefulSet"]["spec"]["selector"]["matchLabels"],
        "the Service": found["Service"]["spec"]["selector"],
        "the NetworkPolicy": found["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"],
    }.items():
        expect(selector.items() <= labels, f"{what} does not select the pod")
    monitored = found["ServiceMonitor"]["spec"]["selector"]["matchLabels"].items()
    expect(monitored <= found["Service"]["metadata"]["labels"].items(), "the ServiceMonitor does not select the Service")
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    service_ports = {port["name"]: port["targetPort"] for port in found["Service"]["spec"]["ports"]}
    probes = [container[probe]["httpGet"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")]
    expect({probe["path"] for probe in probes} == {"/healthz", "/readyz"}, "a probe asks another path")
    for port in [*(probe["port"] for probe in probes), *service_ports.values()]:
        expect(port in ports, f"there is no port {port!r}")
    for endpoint in found["ServiceMonitor"]["spec"]["endpoints"]:
        expect(endpoint["port"] in service_ports, "the ServiceMonitor's port is none of the Service")
        expect(endpoint["authorization"]["credentials"]["key"] in found["Secret"]["stringData"], "the token is not there")
    volumes = {volume["name"] for volume in pod["spec"]["volumes"]}
    volumes |= {claim["metadata"]["name"] for claim in found["StatefulSet"]["spec"]["volumeClaimTemplates"]}
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    expect(set(mounts) == volumes, "volumes and their mounts differ")
    named = [volume["configMap"]["name"] for volume in pod["spec"]["volumes"] if "configMap" in volume]
    expect(named == [found["ConfigMap"]["metadata"]["name"]], "the ConfigMap has another name")
    expect(found["StatefulSet"]["spec"]["serviceName"] == found["Service"]["metadata"]["name"], "the Service's name")
    # Kubernetes would set DRIFTLINE_PORT and the like, which are no keys of the configuration.
    expect(pod["spec"]["enableServiceLinks"] is False, "enableServiceLinks must be false")
    expect(container["securityContext"]["readOnlyRootFilesystem"] is True, "the root file system is not read-only")
    expect(pod["spec"]["securityContext"]["runAsNonRoot"] is True, "it may run as root")
    return container, ports["http"], mounts


def check_configuration(found, container, port, mounts, driftline):
    """The file and the environment, as the container would have them, hold for the binary."""
    environment = {}
    for variable in container["env"]:
        key = variable["valueFrom"]["secretKeyRef"]
        expect(key["name"] == found["Secret"]["metadata"]["name"], "the Secret has another name")
        environment[variable["name"]] = found["Secret"]["stringData"][key["key"]]
    config = container["args"][container["args"].index("--config") + 1]
    folder, name = os.path.split(config)
    expect(mounts["config"] == folder and name in found["ConfigMap"]["data"], f"there is no {config}")
    text = found["ConfigMap"]["data"][name]
    expect(f'listen = "0.0.0.0:{port}"' in text, "it listens on another port")
    expect(f'path = "{mounts["state"]}"' in text, "the state is not on its volume")
    # The commented part is an example that should hold too.
    example = "\n".join(line.removeprefix("# ") if not line.startswith("# Every") else "" for line in text.splitlines())
    for text in (text, example):
        with tempfile.TemporaryDirectory() as made:
            path = Path(made) / name
            path.write_text(text)
            done = subprocess.run(
                [driftline, "check", "--config", path], env=environment, capture_output=True, text=True
            )
            expect(done.returncode == 0, f"driftline check: {done.stderr}\n{text}")


def main():
    found = objects()
    check_schemas(found)
    container, port, mounts = check_references(found)
    check_configuration(found, container, port, mounts, sys.argv[1])
    listed = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())["resources"]
    for name in listed:
        expect((FOLDER / name).is_file(), f"the kustomization names {name}, which is not there")
    print(f"{len(found)} objects hold: {', '.join(found)}")


main()
