package stress_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ferrule-go/ferrule/stress"
)

// Each trial does a few rounds, always the same ones.
func TestTrials(t *testing.T) {
	o := stress.Options{Rounds: 3, Work: 6000}
	if testing.Short() {
		o.Rounds, o.Work = 2, 4000
	}
	for _, trial := range stress.Trials() {
		t.Run(trial.Name, func(t *testing.T) {
			o.Only = []string{trial.Name}
			r, err := stress.Run(context.Background(), o)
			require.NoError(t, err)
			require.Zero(t, r.Violations, "%v", r.Trials[0].Messages)
			require.NotZero(t, r.Operations)
			t.Logf("%+v", r.Trials[0])
		})
	}
}
