# Puts a disk into a running VM's mount namespace or takes it out. Runs inside the plug container, which sees the machine's
# processes and volumes. Exit codes: 0 done, 3 not supported, 4 no such disk, 5 overtaken by a later version, 6 the VM's process
# is gone, 7 another disk is there, 8 still in use.
use strict;
use warnings;
use Fcntl qw(:DEFAULT :flock);
use POSIX ();

my ($deed, $pid, $container, $volume, $version, $disk) = @ARGV;
die "wrong arguments\n"
  unless @ARGV == 6 && $deed =~ /^(plug|unplug)$/ && $pid =~ /^[1-9][0-9]*$/ && $container =~ /^[0-9a-f]{12,64}$/
  && $volume =~ /^[a-z0-9][a-z0-9.-]*$/ && $version =~ /^[0-9]+$/ && $disk =~ /^[a-z0-9][a-z0-9-]*$/;
my $target = "/home-disk";
my $folder = "/volumes/$volume";
my $data   = "$folder/_data";
my $fence  = "$folder/gitspaces-version";

sub give_up { my ($code, $why) = @_; print "$why\n"; exit $code }
sub first_line { my ($file) = @_; open(my $in, "<", $file) or return ""; my $line = <$in> // ""; chomp $line; return $line }

sub write_new {
  my ($file, $text) = @_;
  unlink "$file.new";
  sysopen(my $out, "$file.new", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600) or give_up(1, "$file.new: $!");
  (print $out "$text\n" and close $out and rename("$file.new", $file)) or give_up(1, "$file: $!");
}

# The mounts of this disk as a process sees them, in the order they were made: [where, whether it is the whole disk].
sub mounts_in {
  my ($process, $at) = @_;
  open(my $in, "<", "/proc/$process/mountinfo") or return ();
  my @found;
  while (my $line = <$in>) {
    my (undef, undef, undef, $root, $where) = split / /, $line;
    s/\\([0-7]{3})/chr oct $1/ge for $root, $where;
    push @found, [$where, $root] if defined $at ? $where eq $at : $root =~ m{/\Q$volume\E/_data(/|$)};
  }
  return @found;
}

# One at a time per disk, whichever plug container it is.
sysopen(my $lock, $folder, O_RDONLY) or give_up(4, "there is no $volume");
local $SIG{ALRM} = sub { give_up(8, "another plug of $volume takes too long") };
alarm 10;
flock($lock, LOCK_EX) or give_up(1, "flock: $!");

# A caller that was overtaken while it slept must not put the disk where it no longer belongs.
my $seen = first_line($fence);
$seen = 0 unless $seen =~ /^[0-9]+$/;
give_up(5, "version $seen was here before $version") if $version < $seen;
write_new($fence, $version) if $version > $seen;

my $groups = do { local $/; open(my $in, "<", "/proc/$pid/cgroup") or give_up(6, "process $pid is gone"); <$in> };
give_up(6, "process $pid is another's") if index($groups, $container) < 0;

my $is_arm = (POSIX::uname())[4] eq "aarch64";
my %number = (open_tree => 428, move_mount => 429, setns => $is_arm ? 268 : 308, umount2 => $is_arm ? 39 : 166);
my ($here, $empty) = (-100, "");

sub enter {
  sysopen(my $space, "/proc/$pid/ns/mnt", O_RDONLY) or give_up(6, "process $pid is gone");
  syscall($number{setns}, fileno($space), 0x20000) == 0 or give_up(1, "setns: $!");
}

if ($deed eq "plug") {
  my ($there) = reverse mounts_in($pid, $target);
  if (defined $there) {
    exit 0 if $there->[1] =~ m{/\Q$volume\E/_data$};
    give_up(7, "another disk is at $target");
  }
  my $own = "$data/.gitspaces";
  rename($own, "$own.strange-" . time) if -l $own || (-e $own && !-d $own);
  mkdir $own, 0700;
  write_new("$own/disk", $disk) if first_line("$own/disk") ne $disk;
  my $tree = syscall($number{open_tree}, $here, $data, 0x80001);
  if ($tree < 0) { give_up($!{ENOSYS} ? 3 : 1, "open_tree: $! (Linux 5.2 or later is needed)") }
  enter();
  mkdir $target, 0755;
  syscall($number{move_mount}, $tree, $empty, $here, $target, 4) == 0 or give_up(1, "move_mount: $!");
  exit 0;
}

my @all = map { $_->[0] } reverse mounts_in($pid);
my $child = fork // give_up(1, "fork: $!");
if ($child == 0) {
  enter();
  for my $where (@all) {
    for my $try (1 .. 20) {
      last if syscall($number{umount2}, $where, 0) == 0 || $!{EINVAL};
      select undef, undef, undef, 0.1;
    }
  }
  POSIX::_exit(0);
}
waitpid $child, 0;
# Containers inside the VM have mounts of their own; as long as one is left, the disk is still in the VM.
opendir(my $processes, "/proc") or give_up(1, "/proc: $!");
for my $process (grep { /^[0-9]+$/ } readdir $processes) {
  my ($left) = mounts_in($process);
  give_up(8, "process $process still has it at $left->[0]") if defined $left;
}
exit 0;
