#!/bin/sh
# Runs as root while the dev container is built; the options come as variables.
set -eu
cat >/usr/local/bin/greet <<SCRIPT
#!/bin/sh
echo "$GREETING, \${1:-world}!"
SCRIPT
chmod 755 /usr/local/bin/greet
