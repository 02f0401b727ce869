package eventcount

import (
	"testing"

	"github.com/ferrule-go/ferrule/internal/mutant"
)

func TestMutantsAreCaught(t *testing.T) {
	const file = "eventcount.go"
	mutant.Test(t, []mutant.Mutant{
		{Name: "announcement without a fence", File: file,
			Old:    "\te.mu.Unlock()\n\tfence()\n\treturn w\n",
			New:    "\te.mu.Unlock()\n\treturn w\n",
			Caught: "TestAnnouncedBeforeTheFence"},
		{Name: "watch without a fence", File: file,
			Old:    "\te.mu.Unlock()\n\tfence()\n\treturn watch\n",
			New:    "\te.mu.Unlock()\n\treturn watch\n",
			Caught: "TestAnnouncedBeforeTheFence"},
		{Name: "no announcement", File: file,
			Old:    "\te.last = w\n\te.waiting.Add(1) // B\n",
			New:    "\te.last = w\n",
			Caught: "TestNotifyInOrder"},
		{Name: "cancel keeps the notification", File: file,
			Old:    "\t\tw.event.Notify(1)\n",
			New:    "",
			Caught: "TestCancelPassesOn"},
		{Name: "done context loses the notification", File: file,
			Old:    "\t\t} else {\n\t\t\t<-w.woken\n\t\t}\n",
			New:    "\t\t} else {\n\t\t\t<-w.woken\n\t\t\terr = ctx.Err()\n\t\t}\n",
			Caught: "TestWaitOfDoneContext"},
		{Name: "woken left in the channel", File: file,
			Old:    "\t\t} else {\n\t\t\t<-w.woken\n\t\t}\n",
			New:    "\t\t}\n",
			Caught: "TestCancelRacesNotify"},
		{Name: "one too many woken", File: file,
			Old:    "for ; n > 0 && e.first != nil; n-- {",
			New:    "for ; n >= 0 && e.first != nil; n-- {",
			Caught: "TestNotifyInOrder"},
		{Name: "watch is not counted", File: file,
			Old:    "\t\te.watch = make(chan struct{})\n\t\te.waiting.Add(1) // B\n",
			New:    "\t\te.watch = make(chan struct{})\n",
			Caught: "TestWatch"},
		{Name: "no last look", File: file,
			Old:    "\t\tif look() {\n\t\t\tw.Cancel()\n\t\t\treturn nil\n\t\t}\n",
			New:    "",
			Caught: "TestAwaitLooksOnceMore"},
	})
}
