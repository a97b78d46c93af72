using Fairlead.Lab;
using Fairlead.Lab.Topologies;

namespace Fairlead.InteropTests.Bgp;

/// <summary>The BGP programs of Debian 12 that we are tried against.</summary>
public enum RouterKind
{
    Bird,
    Frr,
    Gobgp,
    Openbgpd,
    Exabgp,
}

/// <summary>What a test wants of the router beside a session for each family.</summary>
public sealed record RouterSetup
{
    public string? Password { get; init; }

    public bool TtlSecurity { get; init; }

    /// <summary>3 x 50 ms.</summary>
    public bool Bfd { get; init; }

    /// <summary>The router offers graceful restart, and keeps our routes over ours where it can.</summary>
    public bool Restart { get; init; }

    /// <summary>How many routes it can announce (RouterProgram.Announce).</summary>
    public int Routes { get; init; }
}

/// <summary>
/// A router in host "router" of a bed, with a session to us for each family: ours 10.9.0.1 and 2001:db8:9::1, AS
/// 4200000001; its own end in .2 and ::2, AS 65001.
/// </summary>
public abstract class RouterProgram : IDisposable
{
    public const string Host = "router";
    public const string Us4 = "10.9.0.1";
    public const string Us6 = "2001:db8:9::1";
    public const string Its4 = "10.9.0.2";
    public const string Its6 = "2001:db8:9::2";

    protected RouterProgram(Bed bed, RouterSetup setup)
    {
        (Bed, Setup) = (bed, setup);
        Folder = Directory.CreateTempSubdirectory("fairlead-router").FullName;
        Write("log", "");
    }

    public string LogFile => Path.Combine(Folder, "log");

    protected Bed Bed { get; }

    protected RouterSetup Setup { get; }

    protected string Folder { get; }

    public static RouterProgram Start(RouterKind kind, Bed bed, RouterSetup setup)
    {
        RouterProgram router = kind switch
        {
            RouterKind.Bird => new BirdProgram(bed, setup),
            RouterKind.Frr => new FrrProgram(bed, setup),
            RouterKind.Gobgp => new GobgpProgram(bed, setup),
            RouterKind.Openbgpd => new OpenbgpdProgram(bed, setup),
            _ => new ExabgpProgram(bed, setup),
        };
        router.Start();
        return router;
    }

    /// <summary>Starts it, also once more after Kill.</summary>
    public abstract void Start();

    /// <summary>What it has of this prefix, in its own words; empty when it has nothing.</summary>
    public abstract string RouteText(string prefix);

    public virtual bool HasRoute(string prefix) => RouteText(prefix).Contains(prefix, StringComparison.Ordinal);

    /// <summary>Asks us for the IPv4 routes again.</summary>
    public abstract void AskAgain();

    /// <summary>Ends the IPv4 session, with a text where it has one for that.</summary>
    public abstract void ShutDown(string text);

    /// <summary>Announces Setup.Routes routes, or withdraws them: TheRoute(0) and on.</summary>
    public abstract void Announce(bool on);

    /// <summary>What it has said of itself so far.</summary>
    public virtual string LogText => File.ReadAllText(LogFile);

    public bool Logged(string text) => LogText.Contains(text, StringComparison.OrdinalIgnoreCase);

    /// <summary>Its processes end as in a crash: the kernel closes their connections.</summary>
    public void Kill()
    {
        string pids = Bed.Run("us", "ip", "netns", "pids", Bed.NamespaceOf(Host));
        string[] each = pids.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        if (each.Length > 0) Command.Run("kill", ["-9", .. each]);
    }

    public static string TheRoute(int i) => $"100.64.{i / 256}.{i % 256}/32";

    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    protected virtual void Dispose(bool disposing) => Directory.Delete(Folder, recursive: true);

    protected string Write(string name, string text)
    {
        string path = Path.Combine(Folder, name);
        File.WriteAllText(path, text);
        return path;
    }

    protected IEnumerable<string> AllRoutes => Enumerable.Range(0, Setup.Routes).Select(TheRoute);

    protected static string Lines(IEnumerable<string> lines) => string.Join('\n', lines);

    /// <summary>Runs a command of the router's; what it prints, whatever its exit code.</summary>
    protected string Ask(string file, params string[] arguments)
    {
        (_, string output, string error) = Command.Try(
            "ip", TimeSpan.FromSeconds(20), null, ["netns", "exec", Bed.NamespaceOf(Host), file, .. arguments]);
        return output + error;
    }
}
