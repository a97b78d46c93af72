using System.Net;
using System.Net.NetworkInformation;
using Fairlead.Balancer;
using Fairlead.Fleet.Decide;
using Fairlead.Fleet.Spec;
using Microsoft.Extensions.Logging;

namespace Fairlead.Node;

/// <summary>
/// `fairlead backend`: keeps a machine what its fleet file says that a backend is, and follows the file. One thread.
/// </summary>
public sealed class BackendMachine(string fleetFile, IReadOnlyList<string> devices, string pins, ILogger log)
{
    private static readonly TimeSpan Between = TimeSpan.FromSeconds(2);
    private string[] complaints = [];

    /// <summary>
    /// Until the token is cancelled; then VIPs and program are taken away. `news` asks to read the file again. A file
    /// with faults is complained of, and what stands goes on. IOException: this machine cannot be it.
    /// </summary>
    public void Run(AutoResetEvent news, CancellationToken stop)
    {
        using CancellationTokenRegistration wake = stop.Register(() => news.Set());
        BackendSide? side = null;
        BackendRole? role = null;
        var flood = new CookieWatch();
        DateTime read = default;
        try
        {
            bool asked = true;
            while (!stop.IsCancellationRequested)
            {
                DateTime written = File.GetLastWriteTimeUtc(fleetFile);
                if (asked || written != read || side is null)
                {
                    read = written;
                    if (Read() is { } next && !next.Equals(role))
                    {
                        side = GoOver(side, role, next);
                        role = next;
                        flood = new CookieWatch();
                    }
                }

                side?.Tend();
                // Where all are answered so, there is nothing to tell.
                if (side is not null && role!.Cookies.Any(service => service.Rate > 0)
                    && flood.Look(side.Counts()) is { } turn) log.LogWarning("{Flood}", turn);
                asked = news.WaitOne(Between);
            }
        }
        finally
        {
            side?.Remove();
        }
    }

    /// <summary>The role that the file gives to this machine; null, and said why: what stands goes on.</summary>
    private BackendRole? Read()
    {
        string text;
        try
        {
            text = File.ReadAllText(fleetFile);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            Complain([fault.Message]);
            return null;
        }

        FleetFile? file = FleetReader.Read(fleetFile, text, out IReadOnlyList<SpecProblem> problems);
        if (file is null)
        {
            Complain([.. problems.Select(problem => problem.ToString())]);
            return null;
        }

        HashSet<IPAddress> own =
        [
            .. NetworkInterface.GetAllNetworkInterfaces().SelectMany(i => i.GetIPProperties().UnicastAddresses)
                .Select(one => one.Address),
        ];
        BackendRole? role = BackendRole.Of(file.Spec, own);
        Complain(role is not null
            ? []
            : [$"{fleetFile}: this machine has no address of a backend of a service with \"balance\""]);
        return role;
    }

    /// <summary>Says it once: the file is read again every other second until it is of use.</summary>
    private void Complain(string[] next)
    {
        if (!next.SequenceEqual(complaints))
            foreach (string complaint in next) log.LogError("{Complaint}", complaint);
        complaints = next;
    }

    private BackendSide GoOver(BackendSide? side, BackendRole? before, BackendRole next)
    {
        side?.Dispose();
        // On the balancer's own link nothing has to be unwrapped; SYNs may be asked for all the same.
        BackendSide started = BackendSide.Start(
            new BackendSideOptions
            {
                Devices = next.Balancers.IsEmpty && next.Cookies.IsEmpty ? [] : devices,
                Vips = next.Vips,
                Balancers = next.Balancers,
                Peers = next.Peers,
                Cookies = next.Cookies,
                Pins = pins,
            },
            said => log.LogWarning("{Fault}", said));
        if (before is not null)
            BackendSide.Release(before.Vips.Except(next.Vips), said => log.LogWarning("{Fault}", said));
        log.LogInformation("serves {Services}: holds {Vips}; tunnels of {Balancers}", string.Join(' ', next.Services),
            string.Join(' ', next.Vips), string.Join(' ', next.Balancers));
        return started;
    }
}
