#pragma warning disable RS0030 // A process of its own, that its parent speaks with by its standard streams.
using System.Diagnostics;
using Fairlead.Balancer;
using Fairlead.Net.Linux;

namespace Fairlead.InteropTests.Balancer;

/// <summary>
/// A balancer in a process of its own: this very assembly, started with its namespace and pins. Each line that it reads
/// is a set of backends, as XdpBed.Table takes them; it answers when that is in the kernel.
/// </summary>
internal sealed class BalancerProcess : IDisposable
{
    private readonly Process process;

    public BalancerProcess(XdpBed bed, string node)
    {
        process = Process.Start(new ProcessStartInfo(
            "dotnet", [typeof(BalancerProcess).Assembly.Location, bed.Bed.NamespaceOf(node), bed.Options(node).Pins])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        })!;
        HasTakenOver = process.StandardOutput.ReadLine() switch
        {
            "taken over" => true,
            "fresh" => false,
            var other => throw new IOException($"the balancer's process says {other}"),
        };
    }

    public bool HasTakenOver { get; }

    /// <summary>Goes over to these backends, and waits until they are in the kernel.</summary>
    public void Apply(string backends)
    {
        Tell(backends);
        string? said = process.StandardOutput.ReadLine();
        if (said != "applied") throw new IOException($"the balancer's process says {said}");
    }

    public void Tell(string backends)
    {
        process.StandardInput.WriteLine(backends);
        process.StandardInput.Flush();
    }

    /// <summary>kill -9.</summary>
    public void Kill()
    {
        process.Kill();
        process.WaitForExit();
    }

    public void Dispose()
    {
        if (!process.HasExited) Kill();
        process.Dispose();
    }

    private static int Main(string[] args)
    {
        NetworkNamespace.Enter(args[0]);
        using XdpBalancer balancer = XdpBalancer.Start(
            XdpBed.OptionsAt(args[1]), TimeProvider.System, fault => Console.WriteLine(fault));
        Console.WriteLine(balancer.HasTakenOver ? "taken over" : "fresh");
        while (Console.ReadLine() is { } line)
        {
            balancer.Apply(XdpBed.Table(DeliveryMode.Ip, false, line.Split(' ')));
            XdpBed.Tend(balancer);
            Console.WriteLine("applied");
        }

        return 0;
    }
}
