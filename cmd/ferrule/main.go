// Ferrule drives network cards from a process of its own: it lists them, takes
// them from the kernel and gives them back, and forwards frames between them.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"

	"github.com/spf13/cobra"
)

func main() { os.Exit(run()) }

// run returns the exit status. The first signal cancels the context, and a
// second one kills.
func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), stopSignals()...)
	defer stop()
	context.AfterFunc(ctx, stop)
	if err := newRoot().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "ferrule:", err)
		return 1
	}
	return 0
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:           "ferrule",
		Short:         "Drive network cards without the kernel's network stack",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(newDevices(), newBind(), newUnbind(), newForward(), newGenerate(), newCapture(), newStats(), newStress(), newVersion())
	return root
}
