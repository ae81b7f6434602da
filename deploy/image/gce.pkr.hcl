# Makes the GCE image of Gitspace VMs: packer build -var project=ID -var tree=tree.tar gce.pkr.hcl
# Where tree.tar comes from: node packages/local/src/vm-image-main.ts --tree tree.tar
packer {
  required_plugins {
    googlecompute = {
      version = ">= 1.1.0"
      source  = "github.com/hashicorp/googlecompute"
    }
  }
}

variable "project" { type = string }
variable "tree" { type = string }
variable "zone" {
  type    = string
  default = "europe-west1-b"
}
variable "source_image_family" {
  type    = string
  default = "debian-12"
}

source "googlecompute" "vm" {
  project_id          = var.project
  zone                = var.zone
  source_image_family = var.source_image_family
  machine_type        = "e2-standard-2"
  disk_size           = 20
  disk_type           = "pd-ssd"
  ssh_username        = "packer"
  image_name          = "gitspaces-vm-{{timestamp}}"
  image_family        = "gitspaces-vm"
  image_description   = "A Gitspace VM: engine, agent, IDE"
  # VMs of it may boot with a virtual TPM and secure boot.
  enable_secure_boot          = true
  enable_vtpm                 = true
  enable_integrity_monitoring = true
  # The build needs no rights in the project.
  disable_default_service_account = true
}

build {
  sources = ["source.googlecompute.vm"]

  provisioner "shell" {
    inline = ["mkdir -p /tmp/gitspaces"]
  }
  provisioner "file" {
    source      = "${path.root}/"
    destination = "/tmp/gitspaces"
  }
  provisioner "file" {
    source      = var.tree
    destination = "/tmp/gitspaces/tree.tar"
  }
  provisioner "shell" {
    execute_command = "sudo -E bash '{{ .Path }}'"
    inline = [
      "bash /tmp/gitspaces/provision.sh --tree /tmp/gitspaces/tree.tar --systemd",
      # What is this machine's own; each VM of the image makes its own.
      "rm -rf /tmp/gitspaces /etc/ssh/ssh_host_* /var/lib/cloud /etc/gitspaces/metadata.json",
      "truncate --size=0 /etc/machine-id",
      "fstrim --all || true",
    ]
  }
}
