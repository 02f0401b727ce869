module github.com/ferrule-go/ferrule/bench

go 1.26.0

require (
	github.com/Workiva/go-datastructures v1.1.7
	github.com/bytedance/gopkg v0.1.4
	github.com/ferrule-go/ferrule v0.0.0
	github.com/puzpuzpuz/xsync/v4 v4.5.0
	golang.org/x/sys v0.50.0
)

replace github.com/ferrule-go/ferrule => ..
