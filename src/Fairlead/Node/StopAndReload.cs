using System.Runtime.InteropServices;

namespace Fairlead.Node;

/// <summary>SIGTERM and SIGINT end a node, SIGHUP has it read its files again.</summary>
internal sealed class StopAndReload(Action stop, Action reload) : IDisposable
{
    private readonly PosixSignalRegistration[] signals =
    [
        On(PosixSignal.SIGTERM, stop), On(PosixSignal.SIGINT, stop), On(PosixSignal.SIGHUP, reload),
    ];

    public void Dispose()
    {
        foreach (PosixSignalRegistration signal in signals) signal.Dispose();
    }

    private static PosixSignalRegistration On(PosixSignal signal, Action act) =>
        PosixSignalRegistration.Create(signal, context =>
        {
            context.Cancel = true;
            act();
        });
}
