// Command ferrule-vm boots a Debian kernel under QEMU, with network cards and
// wires between them, and runs a command in it: the card for those who have none
// to spare.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"

	"github.com/ferrule-go/ferrule/cmd/ferrule-vm/internal/guest"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

const long = `Boot a Debian kernel under QEMU, with network cards and wires between them, and
run a command in it.

The command runs as root in a machine of its own that sees this one's files: the
same programs, the same working directory. What it writes is gone when it ends,
and the machine with it. Its input, output, signals and exit status are passed
on. In its PATH is a freshly built ferrule.

Card i is an Intel 82574L at PCI address 0000:00:10.0 plus i slots (card 1 is
0000:00:11.0), with MAC address 52:54:00:12:34:0i. No driver is bound to it
unless --kernel-driver names it; uio_pci_generic is loaded and 2 MiB huge pages
are reserved.

Exit status: the command's; 128+n if signal n ended it; 127 if it was not found,
126 if it cannot be executed; 125 if ferrule-vm itself failed.`

const example = `  ferrule-vm -- ferrule devices
  ferrule-vm --cards 4 --link 0:1 --link 2:3 --kernel-driver 0,3 -- sh -c 'ip link'`

func main() {
	code := 0
	cmd := command(func(ctx context.Context, cfg Config) (err error) {
		code, err = run(ctx, cfg)
		return err
	})
	if err := cmd.ExecuteContext(context.Background()); err != nil {
		fmt.Fprintf(os.Stderr, "ferrule-vm: %v\n", err)
		if code == 0 { // the command line was at fault
			code = guest.StatusFailed
		}
	}
	os.Exit(code)
}

// command returns the command line, which calls run with what it was given.
func command(run func(context.Context, Config) error) *cobra.Command {
	cfg := Config{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Log: os.Stderr}
	var links []string
	var verbose bool
	cmd := &cobra.Command{
		Use:           "ferrule-vm [flags] -- command [argument]...",
		Short:         "Run a command in a virtual machine with network cards",
		Long:          long,
		Example:       example,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg.Command = args
			for _, text := range links {
				l, err := parseLink(text)
				if err != nil {
					return err
				}
				cfg.Links = append(cfg.Links, l)
			}
			if verbose {
				cfg.Console = os.Stderr
			}
			if isTerminal(os.Stdin) && isTerminal(os.Stdout) && isTerminal(os.Stderr) {
				cfg.Terminal = os.Stdin
			}
			signals := make(chan os.Signal, 1)
			signal.Notify(signals, unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT, unix.SIGWINCH)
			defer signal.Stop(signals)
			cfg.Signals = signals
			return run(cmd.Context(), cfg)
		},
	}
	f := cmd.Flags()
	f.SetInterspersed(false) // what follows the command is the command's
	f.IntVar(&cfg.Cards, "cards", 2, "number of network cards")
	f.StringArrayVar(&links, "link", nil, "wire between two cards, as A:B; repeat (default 0:1, 2:3, ...)")
	f.IntSliceVar(&cfg.KernelCards, "kernel-driver", nil, "cards that Linux's e1000e drives, as 0,3")
	f.StringArrayVar(&cfg.Modules, "module", nil, "kernel module to load, with what it needs; repeat")
	f.IntVar(&cfg.CPUs, "cpus", 2, "number of processors")
	f.IntVar(&cfg.Memory, "memory", 1024, "memory in MiB")
	f.IntVar(&cfg.HugePages, "hugepages", 64, "number of 2 MiB huge pages, out of the memory")
	f.StringArrayVar(&cfg.Env, "env", nil, "environment variable of the command, as K=V; repeat")
	f.StringVar(&cfg.QEMU, "qemu", "qemu-system-x86_64", "QEMU to run")
	f.DurationVar(&cfg.Timeout, "timeout", 0, "end the machine after this time, as 90s (default never)")
	f.BoolVar(&verbose, "verbose", false, "show what the guest's kernel says, on standard error")
	return cmd
}
