using Fairlead.Bgp.Bfd;
using Fairlead.Cli;

// A node's own BFD process knows no command line: it is to be small, and there at once.
if (args is ["bfd-process", var node, var lastWill]) return BfdWorker.Run(node, lastWill);
return await CommandLine.RunAsync(args);
