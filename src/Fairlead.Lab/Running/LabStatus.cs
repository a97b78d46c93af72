using System.Collections.Immutable;
using System.Net;

namespace Fairlead.Lab.Running;

/// <summary>What `fairlead lab status` shows.</summary>
public sealed record LabStatus(string Name, ImmutableArray<HostStatus> Hosts)
{
    /// <summary>The sessions that `birdc show protocols` prints: name, protocol, table, state, since, info.</summary>
    internal static ImmutableArray<SessionStatus> ReadSessions(string output) =>
    [
        .. output.Split('\n')
            .Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .Where(words => words.Length >= 5 && words[1] == "BGP")
            .Select(words => new SessionStatus(
                words[0], words.Length > 5 && words[5] == "Established", string.Join(' ', words.Skip(5)))),
    ];
}

/// <summary>A host, what runs on it, and its BGP sessions when it is a router.</summary>
public sealed record HostStatus(
    string Name,
    ImmutableArray<IPAddress> Addresses,
    ImmutableArray<ProcessStatus> Processes,
    ImmutableArray<SessionStatus> Sessions);

/// <summary>A program of a host. No pid: it was not started.</summary>
public sealed record ProcessStatus(string Program, int? Pid, bool IsAlive);

/// <summary>A BGP session as its router sees it; Info is the router's own word for its state.</summary>
public sealed record SessionStatus(string Name, bool IsUp, string Info);
