using System.Runtime.InteropServices;

namespace Fairlead.Node;

/// <summary>
/// SIGTERM and SIGINT end a node, SIGHUP has it read its files again. SIGUSR2 ends it so that another process may go
/// on: that is said before it is stopped.
/// </summary>
internal sealed class StopAndReload(Action stop, Action reload, Action? leave = null) : IDisposable
{
    // The library names no SIGUSR2, but takes its number.
    private const PosixSignal Leave = (PosixSignal)12;

    private readonly PosixSignalRegistration?[] signals =
    [
        On(PosixSignal.SIGTERM, stop), On(PosixSignal.SIGINT, stop), On(PosixSignal.SIGHUP, reload),
        leave is null ? null : On(Leave, () =>
        {
            leave();
            stop();
        }),
    ];

    public void Dispose()
    {
        foreach (PosixSignalRegistration? signal in signals) signal?.Dispose();
    }

    private static PosixSignalRegistration On(PosixSignal signal, Action act) =>
        PosixSignalRegistration.Create(signal, context =>
        {
            context.Cancel = true;
            act();
        });
}
