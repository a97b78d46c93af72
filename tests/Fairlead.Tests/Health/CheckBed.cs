using System.Net;
using Fairlead.Health;

namespace Fairlead.Tests.Health;

/// <summary>One check in an engine of its own, and waiting for what it says.</summary>
public static class CheckBed
{
    public static CheckSpec Patient { get; } = new()
    {
        Interval = TimeSpan.FromMilliseconds(100),
        Timeout = TimeSpan.FromSeconds(10),
        Fall = 1,
        Rise = 1,
    };

    /// <summary>The same, but not alike: it is asked for itself.</summary>
    public static CheckSpec Apart(this CheckSpec spec, int number) =>
        spec with { HoldDownMax = spec.HoldDownMax + TimeSpan.FromSeconds(number) };

    public static async Task<CheckStatus> FirstAsync(IPEndPoint target, CheckSpec spec, string? folder = null)
    {
        await using var engine = new CheckEngine(TimeProvider.System, 1, _ => { }, folder);
        engine.Apply(new CheckSet([new Check("it", target, spec)]));
        await UntilAsync(() => engine.Status()[0].Last is not null);
        return engine.Status()[0];
    }

    public static async Task UntilAsync(Func<bool> holds)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        while (!holds()) await Task.Delay(5, limit.Token);
    }
}
